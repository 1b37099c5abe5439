"""Image sets that ship or are fetched: strokes, digits, simulated cells, MNIST, CIFAR."""
