/* SPDX-License-Identifier: Apache-2.0 */
/* Downloading as a careful device does it: bytes are hashed as they come, a lost connection is
 * taken up where it broke, and nothing unexpected is accepted. */
#include "device.h"

#include <string.h>

#define RETRIES_MAX 20

static void ask_for_rest(struct device *device);

static void end(struct device *device, bool is_good)
{
    struct download *download = &device->download;

    digest_free(&download->whole);
    digest_free(&download->chunk);
    download->image = NULL;
    if (download->is_bad)
        device->fleet->stats.untrusted++;
    download->done(device, is_good);
}

/* With a signed list of chunks a wrong byte is noticed at the end of its chunk, not of the image.
 */
static bool check_chunks(struct download *download, const uint8_t *bytes, int64_t count)
{
    const struct image *image = download->image;
    int64_t at = download->got;

    while (count > 0 && at >= image->chunk_offset) {
        int64_t inside = (at - image->chunk_offset) % image->chunk_size;
        int64_t number = (at - image->chunk_offset) / image->chunk_size;
        int64_t step = image->chunk_size - inside;
        uint8_t sum[DIGEST_MAX_SIZE];

        if (number >= image->chunk_count)
            return false;
        if (step > count)
            step = count;
        digest_add(download->chunk, bytes, (size_t)step);
        at += step;
        bytes += step;
        count -= step;
        if (inside + step < image->chunk_size && at < image->size)
            continue;
        digest_end(download->chunk, sum);
        if (memcmp(sum, image->chunks + number * SHA256_SIZE, SHA256_SIZE))
            return false;
    }
    return true;
}

static bool is_expected(const struct download *download, const struct http_reply *reply)
{
    const struct image *image = download->image;

    if (!download->got)
        return reply->status == 200 && reply->length == image->size;
    return reply->status == 206 && reply->range_first == download->got &&
           reply->range_whole == image->size && reply->length == image->size - download->got;
}

static bool take(void *arg, const struct http_reply *reply, const uint8_t *bytes, size_t count)
{
    struct device *device = arg;
    struct download *download = &device->download;

    if (!download->is_under_way) {
        download->is_under_way = true;
        download->is_bad = !is_expected(download, reply);
        if (reply->status == 206)
            device->fleet->stats.resumed_downloads++;
    }
    if (download->image->chunks && !download->is_bad)
        download->is_bad = !check_chunks(download, bytes, (int64_t)count);
    if (download->is_bad)
        return false;
    digest_add(download->whole, bytes, count);
    download->got += (int64_t)count;
    device->fleet->stats.bytes += (int64_t)count;
    return download->cut_at < 0 || download->got < download->cut_at ||
           download->got == download->image->size;
}

static void again(struct device *device)
{
    if (++device->download.retries > RETRIES_MAX)
        end(device, false);
    else
        device_wait(device, 200 + (int64_t)(800 * device_draw(device)), ask_for_rest);
}

static void arrived(void *arg, enum http_end how, const struct http_reply *reply)
{
    struct device *device = arg;
    struct download *download = &device->download;
    uint8_t sum[DIGEST_MAX_SIZE];
    char hex[SHA256_HEX_SIZE];

    if (download->is_bad) {
        end(device, false);
        return;
    }
    if (how == HTTP_STOPPED) {
        device->fleet->stats.cuts++;
        download->cut_at = -1;
        again(device);
        return;
    }
    if (how == HTTP_BROKEN) {
        again(device);
        return;
    }
    if (how == HTTP_UNTRUSTED || (reply->status != 200 && reply->status != 206)) {
        device->fleet->stats.refused++;
        end(device, false);
        return;
    }
    digest_end(download->whole, sum);
    hex_from_bytes(sum, SHA256_SIZE, hex);
    download->is_bad =
        download->got != download->image->size || strcmp(hex, download->image->sha256);
    if (!download->is_bad)
        device->fleet->stats.downloads++;
    end(device, !download->is_bad);
}

static void ask_for_rest(struct device *device)
{
    struct download *download = &device->download;
    char range[64];
    struct http_request request = {
        .method = "GET", .path = download->image->path, .sink = take, .done = arrived};

    if (download->got) {
        snprintf(range, sizeof range, "Range: bytes=%lld-\r\n", (long long)download->got);
        request.headers = range;
    }
    download->is_under_way = false;
    http_send(&device->http, &request);
}

static void begin(struct device *device, const struct image *image, downloaded_fn done)
{
    struct download *download = &device->download;

    *download = (struct download){
        .image = image,
        .cut_at = -1,
        .whole = digest_new(DIGEST_SHA256),
        .chunk = digest_new(DIGEST_SHA256),
        .done = done,
    };
    if (device_draw(device) < device->fleet->options.cut)
        download->cut_at = (int64_t)((double)image->size * (0.1 + 0.8 * device_draw(device)));
    if (download->whole && download->chunk)
        ask_for_rest(device);
    else
        end(device, false);
}

static void next_image(struct device *device, bool is_good)
{
    struct update *update = device->update;

    if (is_good && update->next_image < update->image_count)
        begin(device, &update->images[update->next_image++], next_image);
    else
        update->downloaded(device, is_good);
}

void device_download(struct device *device, downloaded_fn done)
{
    device->update->next_image = 0;
    device->update->downloaded = done;
    next_image(device, true);
}
