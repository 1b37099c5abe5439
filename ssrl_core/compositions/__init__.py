"""Compositions at work: draws (numpy), views (torch), one file a transform, and LPIPS."""
