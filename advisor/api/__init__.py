"""What `import advisor` offers, one file for each function; each command calls the same function."""
