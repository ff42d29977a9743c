//! Parses the command line and calls; no logic.

fn main() {}
