#if defined(__x86_64__)
#define SAMBAY_TABLE software_avx512_vnni
#define SAMBAY_SOFTWARE_VNNI
#include "kernels/software_avx512_table.inc"
#endif
