#if defined(__x86_64__)
#define SAMBAY_TABLE software_avx512
#include "kernels/software_avx512_table.inc"
#endif
