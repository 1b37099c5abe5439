"""What is made of an embedding once a network has learned: one row and one file a part."""
