import Testing

/// Everything here runs the real program and waits for it: one after the other, so that times and memory can be told.
@Suite(.serialized) enum CommandLineTests {}
