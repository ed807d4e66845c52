// DNSInterceptor
