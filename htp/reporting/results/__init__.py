"""What HTP's other commands found out, read for the page: one file for each of them."""
