cat >kws.yaml <<'END'
data: {source: npy, path: ., fracton: 1}
student: {model: ds-cnn}
teacher: {onnx: kws.yaml}
distill:
  - {loss: kdd, temperature: 4}
  - {loss: kd, temperature: -4}
train:
  epohs: 3
END
limbeck distill kws.yaml --set train.bach=3 --json
