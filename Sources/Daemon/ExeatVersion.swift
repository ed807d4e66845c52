/// The version of the program.
public enum ExeatVersion {
    public static let text = "0.1.0"
}
