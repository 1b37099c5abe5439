"""Screens of cells: profiles of wells and treatments, correction for plates, and the scores that screeners ask for."""
