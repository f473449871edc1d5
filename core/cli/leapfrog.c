/* Leapfrog of two-dimensional phi^4, S = sum [ -2 kappa phi_x phi_{x+mu} + (1 - 2 lambda) phi^2 + lambda phi^4 ], and
 * nothing else: no random numbers, no energies, no decision. What a compiler makes of a kick and a drift in one loop
 * over a framed lattice is the measure of the engine's own kernel; `stoqlab bench hmc` compiles it with
 *   cc -O3 -march=native -fopenmp -ffast-math -shared -fPIC leapfrog.c -o leapfrog.so
 */
#include <stdlib.h>
#include <string.h>

/* Copy the edges of a rows x columns lattice to the opposite sides of its frame. */
static void frame(float *restrict phi, int rows, int columns)
{
    const int stride = columns + 2;
    for (int r = 1; r <= rows; r++) {
        phi[r * stride] = phi[r * stride + columns];
        phi[r * stride + columns + 1] = phi[r * stride + 1];
    }
    memcpy(phi, phi + rows * stride, stride * sizeof(float));
    memcpy(phi + (rows + 1) * stride, phi + stride, stride * sizeof(float));
}

/* p += kick K(phi), then out = phi + drift p, over the flat lattice; the frame's columns come along. */
static void kick_and_drift(const float *restrict phi, float *restrict out, float *restrict p, int rows, int columns,
                           float kappa, float lambda, float kick, float drift)
{
    const int stride = columns + 2, last = rows * stride + columns;
    const float hop = 2 * kappa * kick, linear = 2 * (1 - 2 * lambda) * kick, cubic = 4 * lambda * kick;
#pragma omp simd
    for (int i = stride + 1; i <= last; i++) {
        const float x = phi[i];
        const float q = p[i] + hop * ((phi[i - 1] + phi[i + 1]) + (phi[i - stride] + phi[i + stride]))
                        - x * (linear + cubic * x * x);
        p[i] = q;
        out[i] = x + drift * q;
    }
}

/* `steps` leapfrog steps of every chain, in place; phi and p are (chains, rows, columns). */
void leapfrog(float *phi, float *p, int chains, int rows, int columns, float kappa, float lambda, float step, int steps,
              int threads)
{
#pragma omp parallel num_threads(threads)
    {
        const int stride = columns + 2;
        const size_t framed = (size_t)(rows + 2) * stride;
        float *old = calloc(3 * framed, sizeof(float)), *new = old + framed, *momentum = new + framed;
        float *const memory = old;
#pragma omp for
        for (int chain = 0; chain < chains; chain++) {
            float *const sites = phi + (size_t)chain * rows * columns, *const momenta = p + (size_t)chain * rows * columns;
            for (int r = 0; r < rows; r++) {
                memcpy(old + (r + 1) * stride + 1, sites + r * columns, columns * sizeof(float));
                memcpy(momentum + (r + 1) * stride + 1, momenta + r * columns, columns * sizeof(float));
            }
            frame(old, rows, columns);
            for (int i = 0; i <= steps; i++) {
                const float kick = i == 0 || i == steps ? step / 2 : step;
                kick_and_drift(old, new, momentum, rows, columns, kappa, lambda, kick, i == steps ? 0 : step);
                frame(new, rows, columns);
                float *const swap = old;
                old = new;
                new = swap;
            }
            for (int r = 0; r < rows; r++) {
                memcpy(sites + r * columns, old + (r + 1) * stride + 1, columns * sizeof(float));
                memcpy(momenta + r * columns, momentum + (r + 1) * stride + 1, columns * sizeof(float));
            }
        }
        free(memory);
    }
}
