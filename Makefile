# The usual ways in; meson and ninja do the work.
.POSIX:
BUILD = build

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	-@tools/setup
	meson setup $(BUILD)

# Installs what building, checking and the demo need (Debian; as root or through sudo).
setup:
	tools/setup check

# Distils the example: a student for a watch.
demo: all
	$(BUILD)/limbeck distill examples/fashion-mnist/watch.yaml

# Limbeck beside PyTorch: docs/performance.md. BENCH holds options, as in BENCH='--pair b'.
bench: all
	bench/setup
	ninja -C $(BUILD) bench-tools
	$(BUILD)/bench/bench-compare $(BENCH)

check:
	tools/check

check-long:
	tools/check long

format:
	tools/format --fix

clean:
	rm -rf build build-*

.PHONY: all setup demo bench check check-long format clean
