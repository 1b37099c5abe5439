"""Functions of arrays and tables: clusters, layouts, intervals, class bias, properties, descriptors, doses, screens."""
