"""Results as people look at them: lines of text, HTML for notebooks, data frames."""
