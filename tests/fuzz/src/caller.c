/* The calls of the fuzzer as the C program of a user makes them: the structs are laid out here, and the arguments have the
   types of imle.h. build.rs writes calls.h: a function for every function of the table. */
#include "imle.h"

#include <string.h>

/* An argument of any kind, as in functions.rs. */
struct argument {
    void *pointer;
    size_t number;
    int32_t side;
    float temperature;
};

/* The type of every argument of the table. */
#define POINTER(type, name) static type *name(const struct argument *a) { return a->pointer; }
#define NUMBER(name) static size_t name(const struct argument *a) { return a->number; }

POINTER(const imle_shape, shape)
POINTER(const uint32_t, k_row)
POINTER(const uint32_t, n_row)
POINTER(const imle_tree_options, tree_options)
POINTER(const imle_options, options)
POINTER(const imle_key, key)
POINTER(const imle_adaptive, adaptive)
POINTER(const imle_adaptive_parts, parts)
POINTER(const imle_diagnostics, counts)
POINTER(const float, theta)
POINTER(const float, theta_other)
POINTER(const float, dz)
POINTER(const float, dz_or_null)
POINTER(const float, v)
POINTER(const float, y)
POINTER(const float, weights)
POINTER(const float, losses)
POINTER(const float, z_in)
POINTER(const float, z_target)
POINTER(const uint32_t, lists)
POINTER(float, z)
POINTER(uint32_t, indices)
POINTER(float, marginals)
POINTER(float, log_partition)
POINTER(float, log_partitions)
POINTER(float, entropy)
POINTER(float, log_prob)
POINTER(float, kl)
POINTER(float, loss)
POINTER(float, out)
POINTER(float, scores)
POINTER(float, noise)
POINTER(float, grad_theta)
POINTER(float, lambda)
POINTER(uint32_t, heads)
POINTER(uint32_t, row)
POINTER(imle_diagnostics, diagnostics)
POINTER(imle_adaptive, state)
POINTER(imle_adaptive_parts, sum)
POINTER(float, work)
NUMBER(work_len)
NUMBER(ld_theta)
NUMBER(ld_other)
NUMBER(ld_v)
NUMBER(ld_y)
NUMBER(ld_weights)
NUMBER(ld_grad)
NUMBER(dz_row_stride)
NUMBER(dz_sample_stride)
NUMBER(theta_len)
NUMBER(dz_len)
static int32_t side(const struct argument *a) { return a->side; }
static float temperature(const struct argument *a) { return a->temperature; }

#include "calls.h"

/* A number of the fuzzer's as the type of a field. */
static uint32_t u32(uint64_t number) { return (uint32_t)number; }

static float f32(uint64_t number)
{
    const uint32_t bits = u32(number);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double f64(uint64_t number)
{
    double x;
    memcpy(&x, &number, sizeof x);
    return x;
}

/* These write a struct of these fields and return its size. */
static size_t put(void *at, const void *value, size_t size)
{
    memcpy(at, value, size);
    return size;
}

size_t put_shape(void *at, const uint64_t *x)
{
    const imle_shape value = {.rows = u32(x[0]), .n = u32(x[1]), .k = u32(x[2]), .samples = u32(x[3])};
    return put(at, &value, sizeof value);
}

size_t put_options(void *at, const uint64_t *x)
{
    const imle_options value = {
        .struct_size = u32(x[0]), .noise = u32(x[1]), .temperature = f32(x[2]), .target_temperature = f32(x[3]),
        .alpha = f32(x[4]), .lambda = f32(x[5]), .target = u32(x[6]), .difference = u32(x[7]), .scale = u32(x[8]),
        .sog_terms = u32(x[9]), .sog_kappa = f32(x[10]), .coupling = u32(x[11]),
    };
    return put(at, &value, sizeof value);
}

size_t put_tree_options(void *at, const uint64_t *x)
{
    const imle_tree_options value = {
        .struct_size = u32(x[0]), .projective = u32(x[1]), .single_root = u32(x[2]),
    };
    return put(at, &value, sizeof value);
}

size_t put_key(void *at, const uint64_t *x, const uint64_t *row_ids)
{
    const imle_key value = {
        .seed = x[0], .step = x[1], .row0 = x[2], .row_ids = row_ids, .sample0 = u32(x[3]), .strata = u32(x[4]),
    };
    return put(at, &value, sizeof value);
}

size_t put_adaptive(void *at, const uint64_t *x)
{
    const imle_adaptive value = {
        .struct_size = u32(x[0]), .rule = u32(x[1]), .a = f32(x[2]), .g = f32(x[3]), .previous = f32(x[4]),
        .step = f32(x[5]), .momentum = f32(x[6]), .decay = f32(x[7]), .target = f32(x[8]), .theta_floor = f32(x[9]),
    };
    return put(at, &value, sizeof value);
}

size_t put_parts(void *at, const uint64_t *x)
{
    const imle_adaptive_parts value = {
        .theta_squared = f64(x[0]), .dz_squared = f64(x[1]), .theta_len = x[2], .theta_nonzero = x[3],
    };
    return put(at, &value, sizeof value);
}

size_t put_diagnostics(void *at, const uint64_t *x)
{
    const imle_diagnostics value = {.states = x[0], .unchanged = x[1], .nonzeros = x[2]};
    return put(at, &value, sizeof value);
}

/* Reads diagnostics. */
void get_diagnostics(const void *at, uint64_t *x)
{
    imle_diagnostics value;
    memcpy(&value, at, sizeof value);
    x[0] = value.states;
    x[1] = value.unchanged;
    x[2] = value.nonzeros;
}

static int is_ascii(const char *text)
{
    while (*text && !(*text & 0x80)) text++;
    return *text == 0;
}

/* The functions that cannot fail. Each of these returns NULL or what is wrong. */
const char *check_texts(int32_t status)
{
    if (!is_ascii(imle_status_message(status)) || !is_ascii(imle_kernel())) return "a text";
    return imle_abi_version() == IMLE_ABI_VERSION && strcmp(imle_version(), IMLE_VERSION) == 0 ? NULL : "the version";
}

/* expected: the lengths that the functions must return. Where one is not 0, the macro has the same value. */
const char *check_lengths(uint32_t rows, uint32_t n, uint32_t k, uint32_t samples, uint32_t projective,
                          uint32_t single_root, const size_t expected[6])
{
    const imle_shape s = {.rows = rows, .n = n, .k = k, .samples = samples};
    const imle_tree_options t = {.struct_size = sizeof t, .projective = projective, .single_root = single_root};
    const size_t functions[6] = {
        imle_topk_workspace_len(&s), imle_topk_exact_workspace_len(&s), imle_argmax_workspace_len(&s),
        imle_argmax_exact_workspace_len(&s), imle_tree_workspace_len(&s, &t), imle_tree_exact_workspace_len(&s, &t),
    };
    const size_t macros[6] = {
        IMLE_TOPK_WORKSPACE_LEN(n, k), IMLE_TOPK_EXACT_WORKSPACE_LEN(n, k), IMLE_ARGMAX_WORKSPACE_LEN(n),
        IMLE_ARGMAX_EXACT_WORKSPACE_LEN(n), IMLE_TREE_WORKSPACE_LEN(k, projective, single_root),
        IMLE_TREE_EXACT_WORKSPACE_LEN(k, projective, single_root),
    };
    size_t i;
    for (i = 0; i < 6; i++) {
        if (functions[i] != expected[i]) return "a length of workspace";
        if (functions[i] != 0 && functions[i] != macros[i]) return "a macro for a length of workspace";
    }
    return imle_topk_workspace_len(NULL) == 0 && imle_tree_workspace_len(&s, NULL) == 0 ? NULL : "the workspace of NULL";
}

static int is_untouched(const void *memory, size_t size)
{
    const unsigned char *const bytes = memory;
    size_t i;
    for (i = 0; i < size; i++) if (bytes[i] != 0xff) return 0;
    return 1;
}

const char *check_defaults(void)
{
    /* Behind each struct there is another, which must not change. */
    imle_options o[2];
    imle_tree_options t[2];
    imle_adaptive a[2];
    char *const start = (char *)o;
    memset(o, 0xff, sizeof o);
    memset(t, 0xff, sizeof t);
    memset(a, 0xff, sizeof a);
    imle_options_default(NULL);
    imle_tree_options_default(NULL);
    imle_adaptive_default(NULL);
    imle_options_default((void *)(start + 1));
    imle_tree_options_default((void *)(start + 2));
    imle_adaptive_default((void *)(start + 3));
    if (!is_untouched(o, sizeof o)) return "a default was written to a misaligned pointer";
    imle_options_default(o);
    imle_tree_options_default(t);
    imle_adaptive_default(a);
    if (!is_untouched(o + 1, sizeof *o) || !is_untouched(t + 1, sizeof *t) || !is_untouched(a + 1, sizeof *a)) {
        return "a default was written behind its struct";
    }
    if (o->struct_size != sizeof *o || o->noise != IMLE_NOISE_GUMBEL || o->temperature != 1 ||
        o->target_temperature != 1 || o->alpha != 1 || o->lambda != 1 || o->target != IMLE_TARGET_LINEAR ||
        o->difference != IMLE_DIFFERENCE_FORWARD || o->scale != IMLE_SCALE_INVERSE_LAMBDA || o->sog_terms != 10 || o->sog_kappa != 0 ||
        o->coupling != IMLE_COUPLING_INDEPENDENT) {
        return "the default options";
    }
    if (t->struct_size != sizeof *t || t->projective != 0 || t->single_root != 0) return "the default options of trees";
    if (a->struct_size != sizeof *a || a->rule != IMLE_ADAPTIVE_MULTIPLICATIVE || a->a != 1 || a->g != 1 ||
        a->previous != 0 || a->step != 0.15f || a->momentum != 0 || a->decay != 0.9f || a->target != 1 ||
        a->theta_floor != 1) {
        return "the default of the adaptive lambda";
    }
    return NULL;
}
