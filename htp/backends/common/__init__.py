"""What backends share: the names of modules, patches, and leaving torch as it was."""
