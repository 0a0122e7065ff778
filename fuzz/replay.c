/* replay.c: runs a fuzz target over the files and folders given, without a fuzzer: the
 * corpus is part of every test run. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *const file = fopen(path, "rb");
    long size = -1;

    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    uint8_t *const data = size >= 0 ? malloc((size_t)size + 1) : NULL;
    if (!data || fseek(file, 0, SEEK_SET) != 0 ||
        fread(data, 1, (size_t)size, file) != (size_t)size) {
        fprintf(stderr, "cannot read '%s'\n", path);
        free(data);
        if (file)
            fclose(file);
        return -1;
    }
    fclose(file);
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return 1;
}

/* How many files were run; negative if one could not be read. */
static int replay_folder(const char *path)
{
    DIR *const folder = opendir(path);
    int n = 0;

    if (!folder)
        return -1;
    for (struct dirent *entry = readdir(folder); entry && n >= 0;
         entry = readdir(folder)) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        n = replay_file(name) < 0 ? -1 : n + 1;
    }
    closedir(folder);
    return n;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        struct stat s;
        const int n = stat(argv[i], &s) == 0 && S_ISDIR(s.st_mode)
                          ? replay_folder(argv[i])
                          : replay_file(argv[i]);
        if (n < 0)
            return 1;
        total += n;
    }
    printf("%d files replayed\n", total);
    return total == 0;
}
