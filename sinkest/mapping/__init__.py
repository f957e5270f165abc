"""Maps: block-wise prediction, the forest definition, sums by zone, and the files that hold them."""
