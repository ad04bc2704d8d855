"""The Python API: what `import bench` gives; each command calls one function of it."""
