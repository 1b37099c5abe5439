"""Tables to Plotly figures, and the same figures as SVG and PDF for papers."""
