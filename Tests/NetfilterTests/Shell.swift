import CLinux
import Glibc
import Synchronization

/// A failure of the tests' own machinery.
struct HarnessError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

struct Output: Sendable {
    let status: Int32
    let text: String
}

/// Runs a shell command in the network namespace of the calling thread, which a forked child inherits; standard error is part of the text.
@discardableResult
func shell(_ command: String, mustSucceed: Bool = true) throws -> Output {
    guard let stream = unsafe popen("export PATH=$PATH:/usr/sbin:/sbin; exec 2>&1 </dev/null; " + command, "re") else {
        throw HarnessError("popen: errno \(errno)")
    }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = unsafe fread(&chunk, 1, chunk.count, stream)
        guard count > 0 else { break }
        bytes.append(contentsOf: chunk[..<count])
    }
    let status = unsafe pclose(stream)
    let output = Output(status: status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f, text: String(decoding: bytes, as: UTF8.self))
    if mustSucceed, output.status != 0 { throw HarnessError("`\(command.suffix(200))`: \(output.text)") }
    return output
}

/// Runs `body` on a thread of its own inside a network namespace and waits for it.
@discardableResult
func inNamespace<Value: Sendable>(_ name: String, _ body: @escaping @Sendable () throws -> Value) throws -> Value {
    try NamespaceTask(name, body).join()
}

/// A thread inside a network namespace. Join it once.
final class NamespaceTask<Value: Sendable>: Sendable {
    private let thread: pthread_t
    private let outcome: Outcome

    private final class Outcome: Sendable {
        let result = Mutex<Result<Value, any Error>?>(nil)
    }

    init(_ name: String, _ body: @escaping @Sendable () throws -> Value) {
        let outcome = Outcome()
        self.outcome = outcome
        let start = ThreadStart {
            let made = Result { () throws -> Value in
                let descriptor = unsafe open("/run/netns/\(name)", O_RDONLY | O_CLOEXEC)
                guard descriptor >= 0 else { throw HarnessError("no namespace \(name)") }
                defer { close(descriptor) }
                guard exeat_setns(descriptor, exeat_clone_newnet()) == 0 else { throw HarnessError("setns \(name): errno \(errno)") }
                return try body()
            }
            outcome.result.withLock { $0 = made }
        }
        var thread = pthread_t()
        let error = unsafe pthread_create(
            &thread, nil,
            { pointer in
                if let pointer = unsafe pointer { unsafe Unmanaged<ThreadStart>.fromOpaque(pointer).takeRetainedValue().run() }
                return nil
            }, Unmanaged.passRetained(start).toOpaque())
        precondition(error == 0, "pthread_create: \(error)")
        self.thread = thread
    }

    func join() throws -> Value {
        pthread_join(thread, nil)
        guard let result = outcome.result.withLock({ $0 }) else { throw HarnessError("thread without result") }
        return try result.get()
    }
}

private final class ThreadStart {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
}

func milliseconds() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1000 + Double(time.tv_nsec) / 1_000_000
}

func waitUntil(seconds: Double = 3, _ isTrue: () throws -> Bool) rethrows -> Bool {
    let end = milliseconds() + seconds * 1000
    while milliseconds() < end {
        if try isTrue() { return true }
        usleep(5000)
    }
    return try isTrue()
}
