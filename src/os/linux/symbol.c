/* What a person calls an address. dladdr knows what is exported; the names of an executable's own functions are in the symbol
 * table of its file, if it has not been stripped. */
#include "os/os.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void map_file(struct sni_os_symbols *s, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(ElfW(Ehdr))) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p != MAP_FAILED) {
            s->map = p;
            s->size = (size_t)st.st_size;
        }
    }
    (void)close(fd);
}

void sni_os_symbols_end(struct sni_os_symbols *s)
{
    if (s->map)
        (void)munmap(s->map, s->size);
    *s = (struct sni_os_symbols){ 0 };
}

/* An array that the file says it has, if it really has it. */
static const void *part(const struct sni_os_symbols *s, size_t at, size_t n, size_t each)
{
    return at <= s->size && n <= (s->size - at) / each && at % 4 == 0 ? (const char *)s->map + at : NULL;
}

/* The function of the file's symbol table in which `offset`, as the file counts addresses, lies. */
static const char *find(const struct sni_os_symbols *s, uintptr_t offset, uintptr_t *start)
{
    const ElfW(Ehdr) *file = s->map;
    const char *name = NULL;

    if (!file || memcmp(file->e_ident, ELFMAG, SELFMAG) != 0)
        return NULL;
    const ElfW(Shdr) *sections = part(s, file->e_shoff, file->e_shnum, sizeof *sections);
    for (unsigned i = 0; sections && i < file->e_shnum; i++) {
        if (sections[i].sh_type != SHT_SYMTAB || sections[i].sh_link >= file->e_shnum)
            continue;
        const ElfW(Shdr) *names = &sections[sections[i].sh_link];
        size_t n = sections[i].sh_size / sizeof(ElfW(Sym));
        const ElfW(Sym) *symbols = part(s, sections[i].sh_offset, n, sizeof *symbols);
        const char *text = (const char *)s->map + names->sh_offset;
        if (!symbols || names->sh_offset > s->size || names->sh_size > s->size - names->sh_offset || names->sh_size == 0 ||
            text[names->sh_size - 1] != '\0')
            continue;
        for (size_t k = 0; k < n; k++) {
            unsigned type = symbols[k].st_info & 0xf;
            if ((type == STT_FUNC || type == STT_GNU_IFUNC) && symbols[k].st_name < names->sh_size &&
                offset >= symbols[k].st_value && offset - symbols[k].st_value < symbols[k].st_size) {
                name = text + symbols[k].st_name;
                *start = symbols[k].st_value;
            }
        }
    }
    return name;
}

void sni_os_symbol(struct sni_os_symbols *s, const void *pc, char *buf, size_t size)
{
    const struct link_map *map;
    uintptr_t start = 0, offset;
    Dl_info info;
    void *more;

    if (!dladdr1(pc, &info, &more, RTLD_DL_LINKMAP)) {
        (void)snprintf(buf, size, "%p", pc);
        return;
    }
    map = more;
    offset = (uintptr_t)pc - map->l_addr;
    if (s->base != map->l_addr || !s->map) {
        sni_os_symbols_end(s);
        s->base = map->l_addr;
        map_file(s, map->l_name && map->l_name[0] ? map->l_name : "/proc/self/exe");
    }
    const char *file = strrchr(info.dli_fname, '/'), *name = find(s, offset, &start);
    file = file ? file + 1 : info.dli_fname;
    if (!name && info.dli_sname) {
        name = info.dli_sname;
        start = (uintptr_t)info.dli_saddr - map->l_addr;
    }
    if (name)
        (void)snprintf(buf, size, "%s+0x%zx (%s+0x%zx)", name, offset - start, file, offset);
    else
        (void)snprintf(buf, size, "%s+0x%zx", file, offset);
}
