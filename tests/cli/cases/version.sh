limbeck --version
limbeck -V
