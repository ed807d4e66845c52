import Testing

/// Everything here runs on the real kernel as root, in network namespaces of its own, one test after the other.
@Suite(.serialized)
struct KernelSuites {}
