/* A plugin for QEMU's emulators (plugin interface 1). It counts the instructions that the guest executes from one call
 * of count_from() to the next call of count_to(), and writes one count per line to the file out=NAME. The same program
 * gives the same counts every time. (It does not count cycles, because QEMU does not model them.)
 *
 *   gcc -O2 -fPIC -shared count.c -o count.so
 *   qemu-system-arm ... -plugin ./count.so,out=counts.txt
 *
 * Debian has no qemu-plugin.h, so this file declares the parts of it that it uses. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;
typedef void (*vcpu_callback)(unsigned cpu, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, vcpu_callback, int registers, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

static FILE *out;
static uint64_t executed, from;

static void execute(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    executed++;
}

static void count_from(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    from = executed;
}

static void count_to(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    fprintf(out, "%" PRIu64 "\n", executed - from);
}

/* True if this is the function's first instruction, which is the first of them that QEMU translates. */
static bool enters(const char *function, struct qemu_plugin_insn *instruction, uint64_t *entry)
{
    const char *symbol = qemu_plugin_insn_symbol(instruction);
    if (symbol == NULL || strcmp(symbol, function) != 0) return false;
    if (*entry == 0) *entry = qemu_plugin_insn_vaddr(instruction);
    return *entry == qemu_plugin_insn_vaddr(instruction);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    static uint64_t from_entry, to_entry;
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        if (enters("count_from", instruction, &from_entry))
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, count_from, 0, NULL);
        if (enters("count_to", instruction, &to_entry))
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, count_to, 0, NULL);
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, execute, 0, NULL);
    }
}

static void finish(qemu_plugin_id_t id, void *data)
{
    (void)id, (void)data;
    fclose(out);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4) != 0 || (out = fopen(argv[0] + 4, "w")) == NULL) return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
