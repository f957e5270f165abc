"""From scenes to features: masks, composites, indices, terrain, phenology, and which features come in what order."""
