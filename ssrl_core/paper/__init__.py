"""The paper's tables and figures: what each claims, its published numbers, the sweeps that make it, and our verdict."""
