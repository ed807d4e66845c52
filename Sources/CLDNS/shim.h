// libldns 1.8: wire parsing only. `ldns_resolver_*` is never used: it checks neither source, id nor question.
#include <ldns/ldns.h>
