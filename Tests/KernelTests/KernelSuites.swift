import Testing

/// Everything here runs the real daemon on the real kernel as root, each test in a lab of its own (`DemoNetwork`), one test after
/// the other. Nothing is imported from the program: it is seen as its users see it.
@Suite(.serialized)
struct KernelSuites {}
