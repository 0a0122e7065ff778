limbeck --help
