/* A libnvidia-ml.so.1 for tests: machines by name in FAKE_NVML, told through NVML's own entry points. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15, MISMATCH = 18 };

typedef struct {
    const char *name;
    unsigned long long mib; /* 0: NVML has no figure */
    int major, minor;
    int slices; /* -1: cannot be cut up */
    int nvlink, lost;
} Gpu;

typedef struct {
    unsigned long long total, free, used;
} Memory;

typedef struct {
    unsigned int before[6], gpu_slices, compute_slices;
    unsigned long long mib;
} Attributes;

static const Gpu H100 = {"NVIDIA H100 80GB HBM3", 81559, 9, 0, 0, 1, 0};
static const Gpu CUT_UP = {"NVIDIA H100 80GB HBM3", 81559, 9, 0, 2, 0, 0};
static const Gpu RTX_4090 = {"NVIDIA GeForce RTX 4090", 24564, 8, 9, -1, 0, 0};
static const Gpu RTX_3090 = {"NVIDIA GeForce RTX 3090", 24576, 8, 6, -1, 0, 0};
static const Gpu LOST = {"NVIDIA GeForce RTX 3090", 24576, 8, 6, -1, 0, 1};
static const Gpu GB10 = {"NVIDIA GB10", 0, 12, 1, -1, 0, 0};
static const Gpu SLICE = {"NVIDIA H100 80GB HBM3 MIG 1g.10gb", 9856, 9, 0, -1, 0, 0};
static const Gpu OLD_SLICE = {"NVIDIA H100 80GB HBM3", 9856, 9, 0, -1, 0, 0};

static const Gpu *machine[8];
static unsigned int count;

static int is(const char *name) { return !strcmp(getenv("FAKE_NVML"), name); }

static void put(const Gpu *gpu, unsigned int times) {
    while (times--) machine[count++] = gpu;
}

int nvmlInitWithFlags(unsigned int flags) {
    count = 0;
    if (is("mismatch")) return MISMATCH;
    if (is("not loaded")) return DRIVER_NOT_LOADED;
    if (is("h100 x8")) put(&H100, 8);
    if (is("4090 and 3090")) put(&RTX_4090, 1), put(&RTX_3090, 1);
    if (is("mig")) put(&CUT_UP, 1), put(&H100, 1);
    if (is("gb10")) put(&GB10, 1);
    if (is("one is lost")) put(&LOST, 1), put(&RTX_3090, 1);
    return OK;
}
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return "an error"; }
int nvmlSystemGetDriverVersion(char *text, unsigned int length) {
    snprintf(text, length, "580.95.05");
    return OK;
}
int nvmlDeviceGetCount_v2(unsigned int *found) {
    *found = count;
    return OK;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, const void **handle) {
    *handle = &machine[index];
    return machine[index]->lost ? GPU_IS_LOST : OK;
}

/* A handle points into the machine, or is a slice itself. */
static int is_slice(const void *handle) { return handle == &SLICE || handle == &OLD_SLICE; }
static const Gpu *at(const void *handle) { return is_slice(handle) ? handle : *(const Gpu *const *)handle; }

int nvmlDeviceGetName(const void *handle, char *text, unsigned int length) {
    snprintf(text, length, "%s", at(handle)->name);
    return OK;
}
int nvmlDeviceGetMemoryInfo(const void *handle, Memory *memory) {
    if (!at(handle)->mib) return NOT_SUPPORTED;
    memory->total = at(handle)->mib << 20;
    memory->used = 512ull << 20;
    memory->free = memory->total - memory->used;
    return OK;
}
int nvmlDeviceGetCudaComputeCapability(const void *handle, int *major, int *minor) {
    if (is_slice(handle)) return NOT_SUPPORTED;
    *major = at(handle)->major;
    *minor = at(handle)->minor;
    return OK;
}
int nvmlDeviceGetUUID(const void *handle, char *text, unsigned int length) {
    int number = is_slice(handle) ? handle == &OLD_SLICE : (int)((const Gpu *const *)handle - machine);
    snprintf(text, length, "%s-%d0000000-1111-2222-3333-444444444444", is_slice(handle) ? "MIG" : "GPU", number);
    return OK;
}
int nvmlDeviceGetMigMode(const void *handle, unsigned int *current, unsigned int *pending) {
    if (at(handle)->slices < 0) return NOT_SUPPORTED;
    *current = *pending = at(handle)->slices > 0;
    return OK;
}
int nvmlDeviceGetMaxMigDeviceCount(const void *handle, unsigned int *most) {
    *most = 7;
    return OK;
}
int nvmlDeviceGetMigDeviceHandleByIndex(const void *handle, unsigned int index, const void **part) {
    *part = index == 0 ? &SLICE : &OLD_SLICE;
    return index == 0 || index == 3 ? OK : NOT_FOUND;
}
int nvmlDeviceGetAttributes_v2(const void *handle, Attributes *attributes) {
    memset(attributes, 0, sizeof *attributes);
    attributes->gpu_slices = 1;
    attributes->mib = 9856;
    return OK;
}
int nvmlDeviceGetP2PStatus(const void *one, const void *other, int capability, int *status) {
    *status = at(one)->nvlink && at(other)->nvlink ? 0 : 4;
    return OK;
}
