/* nn/jpeg.h - JPEG (ITU T.81, JFIF 1.02, Adobe's CMYK) through libjpeg.
 *
 * Baseline, extended and progressive of 8 bits, Huffman or arithmetic where
 * this libjpeg can; 1, 3 or 4 components. Lossless, hierarchical and 12 bits
 * are refused. */
#ifndef S3E_NN_JPEG_H
#define S3E_NN_JPEG_H

#include "nn/image.h"

enum {
    S3E_JPEG_SCANS_MAX = 100,              /* a picture in more is an attack */
    S3E_JPEG_COEFFICIENTS_MAX = 512 << 20, /* bytes libjpeg holds of one */
};

/* The functions' contracts are those of struct s3e_image_format. Pixels are
 * those of Pillow, Image.open(...).convert("RGB"): damage that libjpeg only
 * warns of passes, a file that ends before its last pixel does not.
 *
 * Source  Pillow's JPEG plugin (its defaults: accurate integer DCT, smooth
 *         chroma upsampling; four components are inverted CMYK). */
extern const struct s3e_image_format s3e_jpeg_format;

/* "libjpeg-turbo 2.1.5", for s3embed_debug(). */
const char *s3e_jpeg_version(void);

#endif
