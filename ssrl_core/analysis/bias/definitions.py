"""What each number of the class statistics is, in a sentence: for those who want to compute it again."""

from __future__ import annotations

DEFINITIONS = {
    "means": "A point is the mean over seeds of the accuracy of a class at one value of the parameter; with points = "
    "runs every run is a point. n counts the points that both classes of a pair have. Means are rounded to 1e-12.",
    "sd": "Over seeds, with n - 1.",
    "overall": "Right images of all classes over all images; without numbers of images every class counts the same.",
    "p": "Two-sided. Pearson and Spearman: t with n - 2 degrees of freedom. Kendall is tau-b; its p is exact without "
    "ties up to 33 points, else normal with the variance corrected for ties (kendall_method says which).",
    "undefined": "Fewer than 3 common points, or one accuracy throughout: no coefficient, no p, and the reason.",
    "opposite": "At least one of the three coefficients is below -0.3 and its own p below 0.05.",
    "opposite_corrected": "The same with q in place of p: Benjamini and Hochberg over all pairs and coefficients of a "
    "setting, where a coefficient of 0 or more enters with p = 1.",
    "opposite_bh": "The same with Benjamini and Hochberg over those p as they are.",
    "ratio": "Classes with an opposite partner over the classes that have a defined pair; ratio_of_all: over all.",
    "floors": "Ratios after permuting the points of each class (permuted), or what each class adds to the mean curve "
    "of all classes (trend_kept). ratio_p = (1 + draws at least as high) / (1 + draws).",
    "behaviour": "Slope of the least-squares line through the points: ascending or descending where its two-sided p is "
    "below 0.05, else random. q: p adjusted (Benjamini and Hochberg) over the classes of the setting.",
    "methods": "Mean and sd (n - 1) over the values of the parameter, of the overall means over seeds.",
    "shared": "Classes with an opposite partner under at least so many methods. tested: those that every method could "
    "test; expected: how many, were the methods independent.",
    "match": "Share of the classes with the same behaviour under both probes, of those whose behaviour both know.",
    "superclasses": "Accuracy of the images of its classes. x: where its mean is highest. Price: change of another at "
    "that x from the reference, the x with the highest overall accuracy; from_own_highest: from its own highest.",
    "trade_off": "On the front: no other value is as good for every chosen class and better for one.",
}
"""Name of a table or column -> sentence."""
