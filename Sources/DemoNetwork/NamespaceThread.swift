import CLinux
import Glibc
import Synchronization

/// A thread that has entered a network namespace (setns(2)), so that the sockets it opens are there. Its main thread, and with it
/// the process, stays where it was.
public final class NamespaceThread<Value: Sendable>: Sendable {
    private enum State {
        case running(pthread_t)
        case ended
    }

    private let state: Mutex<State>
    private let outcome: Outcome

    /// Handed to the thread, which fills it in before it ends.
    private final class Outcome: Sendable {
        let body: @Sendable () throws -> Value
        let namespacePath: String
        let result = Mutex<Result<Value, any Error>?>(nil)

        init(namespacePath: String, body: @escaping @Sendable () throws -> Value) {
            self.namespacePath = namespacePath
            self.body = body
        }

        func run() {
            let made = Result { () throws -> Value in
                let descriptor = unsafe open(namespacePath, O_RDONLY | O_CLOEXEC)
                guard descriptor >= 0 else { throw LabError.system(call: "open \(namespacePath)", errno: errno) }
                defer { close(descriptor) }
                guard exeat_setns(descriptor, exeat_clone_newnet()) == 0 else {
                    throw LabError.system(call: "setns \(namespacePath)", errno: errno)
                }
                return try body()
            }
            result.withLock { $0 = made }
        }
    }

    init(namespacePath: String, _ body: @escaping @Sendable () throws -> Value) throws(LabError) {
        let outcome = Outcome(namespacePath: namespacePath, body: body)
        self.outcome = outcome
        // pthread_create takes one pointer: a retained box with what to run, released by the thread.
        let box = unsafe Unmanaged.passRetained(ThreadStart(run: outcome.run))
        var thread = pthread_t()
        let error = unsafe pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer = unsafe pointer else { return nil }
                unsafe Unmanaged<ThreadStart>.fromOpaque(pointer).takeRetainedValue().run()
                return nil
            }, box.toOpaque())
        guard error == 0 else {
            unsafe box.release()
            throw .system(call: "pthread_create", errno: error)
        }
        state = Mutex(.running(thread))
    }

    /// Waits for the thread and gives what its body returned or threw. Call it once, from one thread.
    public func join() throws -> Value {
        state.withLock { state in
            if case .running(let thread) = state { pthread_join(thread, nil) }
            state = .ended
        }
        guard let result = outcome.result.withLock({ $0 }) else { throw LabError.system(call: "pthread_join", errno: ESRCH) }
        return try result.get()
    }

    deinit {
        state.withLock { state in
            if case .running(let thread) = state { pthread_detach(thread) }
        }
    }
}

/// What a new thread runs.
private final class ThreadStart {
    let run: () -> Void
    init(run: @escaping () -> Void) { self.run = run }
}
