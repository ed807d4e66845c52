import DomainNames
import Testing

struct RegistrableNameTests {
    @Test(arguments: [
        ("www.example.co.uk", "example.co.uk"), ("example.co.uk", "example.co.uk"), ("a.b.c.example.com", "example.com"),
        ("x.user.github.io", "user.github.io"), ("_dmarc.example.org", "example.org"), ("a.b.svc.cluster.local", "cluster.local"),
        ("1.2.0.192.in-addr.arpa", "192.in-addr.arpa"), ("a.b.c.d.e.f.g.h.i.j.k.l.example.com", "example.com"),
        ("\\000\\255bytes.example.com", "example.com"),
    ])
    func `a name has the registered name that it lies below`(_ name: String, _ registered: String) throws {
        #expect(try DomainName(parsing: name).registrableName?.description == registered)
    }

    @Test(arguments: ["co.uk", "com", ".", "github.io", "internal", "\\000"])
    func `what nobody has registered has none`(_ name: String) throws {
        #expect(try DomainName(parsing: name).registrableName == nil)
    }
}
