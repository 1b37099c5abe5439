"""From views to an encoder: backbones, one file a method, the loop, embeddings and probes."""
