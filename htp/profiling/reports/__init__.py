"""Reports that runtimes wrote elsewhere: a file for each tool. They are not trusted."""
