import CLinux
import Foundation
import Glibc
import Synchronization

/// A failure of the tests' own machinery.
struct HarnessError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

struct Output {
    let status: Int32
    let text: String
}

/// Runs a shell command in the network namespace of the calling thread; standard error is part of the text.
@discardableResult
func shell(_ command: String, mustSucceed: Bool = true) throws -> Output {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "export PATH=$PATH:/usr/sbin:/sbin; exec 2>&1; " + command]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let output = Output(status: process.terminationStatus, text: String(decoding: data, as: UTF8.self))
    if mustSucceed, output.status != 0 { throw HarnessError("`\(command)`: \(output.text)") }
    return output
}

/// Runs `body` on a thread of its own inside a network namespace and waits for it.
func inNamespace<Value: Sendable>(_ name: String, _ body: @escaping @Sendable () throws -> Value) throws -> Value {
    try NamespaceTask(name, body).join()
}

/// A thread inside a network namespace.
final class NamespaceTask<Value: Sendable>: Sendable {
    private let done = DispatchSemaphore(value: 0)
    private let result = Mutex<Result<Value, any Error>?>(nil)

    init(_ name: String, _ body: @escaping @Sendable () throws -> Value) {
        let thread = Thread { [self] in
            let made = Result { () throws -> Value in
                let descriptor = unsafe open("/run/netns/\(name)", O_RDONLY | O_CLOEXEC)
                guard descriptor >= 0 else { throw HarnessError("no namespace \(name)") }
                defer { close(descriptor) }
                guard exeat_setns(descriptor, exeat_clone_newnet()) == 0 else { throw HarnessError("setns \(name): errno \(errno)") }
                return try body()
            }
            result.withLock { $0 = made }
            done.signal()
        }
        thread.start()
    }

    func join() throws -> Value {
        done.wait()
        guard let result = result.withLock({ $0 }) else { throw HarnessError("thread without result") }
        return try result.get()
    }
}

func milliseconds() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1000 + Double(time.tv_nsec) / 1_000_000
}

func waitUntil(_ seconds: Double = 3, _ isTrue: () throws -> Bool) rethrows -> Bool {
    let end = milliseconds() + seconds * 1000
    while milliseconds() < end {
        if try isTrue() { return true }
        usleep(5000)
    }
    return try isTrue()
}
