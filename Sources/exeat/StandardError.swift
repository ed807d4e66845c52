import Foundation
import Telemetry

enum StandardError {
    static func print(_ text: String) {
        FileHandle.standardError.write(Data((TerminalText.plainLines(text) + "\n").utf8))
    }
}
