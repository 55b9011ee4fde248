"""One file per capture mechanism. Deleting a file and its row in ``htp.registry`` removes it."""
