import Glibc

/// The thread of a `FolderWatch` and the pair of sockets that ends it.
struct FolderWatchThread: Sendable {
    /// Opaque to everyone but pthread_*(3).
    private let thread: pthread_t
    /// Our end of the pair; closing it wakes the thread for its end.
    private let stopDescriptor: Int32

    init(paths: [String], onChange: @escaping @Sendable () -> Void) throws(ResourceWatchError) {
        let inotify = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard inotify >= 0 else { throw .system(call: "inotify_init1", errno: errno) }
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            let number = errno
            close(inotify)
            throw .system(call: "socketpair", errno: number)
        }
        let loop = FolderWatchLoop(paths: paths, inotify: inotify, stop: ends[0], onChange: onChange)
        loop.renewWatches()
        let context = unsafe Unmanaged.passRetained(loop)
        var handle = pthread_t()
        let status = unsafe pthread_create(
            &handle, nil,
            { pointer in
                // Balances passRetained; the pointer is the one given below.
                guard let pointer = unsafe pointer else { return nil }
                let loop = unsafe Unmanaged<FolderWatchLoop>.fromOpaque(pointer).takeRetainedValue()
                loop.run()
                return nil
            }, context.toOpaque())
        guard status == 0 else {
            unsafe context.release()
            close(ends[1])
            throw .system(call: "pthread_create", errno: status)
        }
        thread = handle
        stopDescriptor = ends[1]
    }

    /// Ends the thread and waits for it, unless it is the caller.
    func stop() {
        close(stopDescriptor)
        if pthread_equal(pthread_self(), thread) != 0 {
            pthread_detach(thread)
        } else {
            pthread_join(thread, nil)
        }
    }
}
