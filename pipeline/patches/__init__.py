"""Change patches (变化图斑): components, outlines, areas, measures."""
