import Foundation

/// Runs every body on a thread of its own and waits for all.
func onThreads(_ bodies: (@Sendable () -> Void)...) {
    let group = DispatchGroup()
    for body in bodies {
        group.enter()
        Thread.detachNewThread {
            body()
            group.leave()
        }
    }
    group.wait()
}
