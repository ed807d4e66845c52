extension ResourceFields {
    /// `spec` of a ServiceEntry of `networking.istio.io`.
    public static let serviceEntry = [
        "hosts", "addresses", "ports", "location", "resolution", "exportTo", "subjectAltNames", "endpoints", "workloadSelector",
    ]
    public static let serviceEntryPort = ["number", "name", "protocol", "targetPort"]
}
