// DNSInterceptorTests
