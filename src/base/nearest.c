/* nearest.c: "did you mean": the name that a misspelt word most likely stood for.
 *
 * The optimal string alignment distance (insert, delete, replace, swap of neighbours),
 * letters compared without case. */
#include "base/key.h"

#include <string.h>

enum { MOST_LETTERS = 64 };

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '_' ? '-' : c;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int distance(const char *a, int n_a, const char *b, int n_b)
{
    int row[3][MOST_LETTERS + 1];
    int *before = row[0], *last = row[1], *now = row[2];

    for (int j = 0; j <= n_b; j++)
        last[j] = j;
    for (int i = 1; i <= n_a; i++) {
        now[0] = i;
        for (int j = 1; j <= n_b; j++) {
            const char x = lower(a[i - 1]), y = lower(b[j - 1]);
            now[j] = least(least(now[j - 1], last[j]) + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]))
                now[j] = least(now[j], before[j - 2] + 1);
        }
        int *const oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[n_b];
}

static bool begins(const char *name, const char *word, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!name[i] || lower(name[i]) != lower(word[i]))
            return false;
    return true;
}

const char *lb_nearest(const char *word, const char *const *names, int n)
{
    const size_t n_word = strlen(word);
    const char *best = NULL;

    if (n_word == 0 || n_word > MOST_LETTERS)
        return NULL;
    /* a third of the letters may be wrong; one always may in words of two or more */
    int least_far = (n_word < 2 ? 0 : n_word < 6 ? 1 : (int)n_word / 3) + 1;
    for (int i = 0; i < n; i++) {
        const size_t n_name = strlen(names[i]);
        if (n_name > MOST_LETTERS)
            continue;
        const int far = distance(word, (int)n_word, names[i], (int)n_name);
        if (far < least_far) {
            least_far = far;
            best = names[i];
        }
    }
    for (int i = 0; i < n && !best && n_word >= 3; i++)
        if (begins(names[i], word, n_word))
            best = names[i];
    return best;
}
