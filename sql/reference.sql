-- sql/reference.sql - every function and table of s3embed, with its result.
--
-- `-- =>` is a row, `-- error:` what is raised instead (... stands for what differs from machine to machine), `-- no row`
-- nothing at all; tests/sql/test_reference.py compares them with what comes. All of it runs over the sample images in examples/, from the root of the tree, without an account:
-- `file:examples` stands where `s3://bucket` would, and gives the same rows.


-- TARGETS

-- A bucket by its name ('sparkyfruit'), a prefix as `aws s3 ls` takes it ('s3://sparkyfruit/app'), a glob
-- ('s3://sparkyfruit/*/*.jpg'), a local folder ('file:photos', 'file:///data/photos').
SELECT count(*) FROM s3_objects('file:examples/*/*.jpg');
-- => 36

-- In a glob * and ? stop at '/', ** crosses it.
SELECT count(*) FROM s3_objects('file:examples/*.jpg');
-- => 0
SELECT count(*) FROM s3_objects('file:examples/**/*.jpg');
-- => 36
SELECT name FROM s3_objects('file:examples/{apple,lemon}/*_0[1-2].jp?');
-- => apple_01.jpg
-- => apple_02.jpg
-- => lemon_01.jpg
-- => lemon_02.jpg

-- What matches nothing gives no row; what does not exist, or no bucket can be called, raises.
SELECT key FROM s3_objects('file:examples/*.webp');
-- no row
SELECT key FROM s3_objects('Not_A_Bucket');
-- error: s3_objects: bucket 'Not_A_Bucket': only a-z 0-9 . and - are possible in S3

-- A uri is scheme, bucket and the key's bytes as they are: nothing is percent-decoded.
SELECT uri GLOB 'file:///*/examples/apple/apple_01.jpg' FROM s3_objects('file:examples') LIMIT 1;
-- => 1


-- TABLES

-- s3_objects(target [, options]): a row an object, in key order.
SELECT key, size, folder, name FROM s3_objects('file:examples/*/*.jpg') LIMIT 2;
-- => apple/apple_01.jpg | 6391 | apple | apple_01.jpg
-- => apple/apple_02.jpg | 6849 | apple | apple_02.jpg
SELECT key GLOB '*.jpg', size > 0, date(last_modified) IS NOT NULL, length(etag) > 0, storage_class, folder
FROM s3_objects('file:examples/lemon/*') LIMIT 1;
-- => 1 | 1 | 1 | 1 | STANDARD | NULL

-- folder is the label of an image set: the last part of the path before the name.
SELECT folder, count(*) FROM s3_objects('file:examples/*/*.jpg') GROUP BY folder;
-- => apple | 12
-- => banana | 12
-- => lemon | 12

-- Conditions on keys are asked of the store; those on size, last_modified, etag, storage_class, folder and name are decided
-- before a body is fetched.
SELECT key FROM s3_objects('file:examples') WHERE key > 'lemon/lemon_10' AND key < 'm';
-- => lemon/lemon_10.jpg
-- => lemon/lemon_11.jpg
-- => lemon/lemon_12.jpg
SELECT key FROM s3_objects('file:examples') WHERE key GLOB 'banana/*_0[12].jpg' ORDER BY key DESC;
-- => banana/banana_02.jpg
-- => banana/banana_01.jpg

-- A list of one's own is fetched in parallel, without a listing.
SELECT key, length(s3_get(key)) = size FROM s3_objects('file:examples')
WHERE key IN ('lemon/lemon_01.jpg', 'apple/apple_01.jpg', 'apple/absent.jpg');
-- => apple/apple_01.jpg | 1
-- => lemon/lemon_01.jpg | 1

-- body and error are hidden columns: body is the object, fetched when it is read; error says why it is NULL.
SELECT hex(substr(body, 1, 2)), error FROM s3_objects('file:examples/*/*.jpg') LIMIT 1;
-- => FFD8 | NULL

-- Options are one JSON object; an unknown key raises. markers shows the empty objects by which the console makes folders.
SELECT count(*) FROM s3_objects('file:examples/*/*.jpg', '{"markers": 1}');
-- => 36
SELECT count(*) FROM s3_objects('file:examples/*/*.jpg', '{"marker": 1}');
-- error: s3_objects: there is no option 'marker'; there is: markers

-- s3_folders(target): the folders right below, what `aws s3 ls` shows with PRE.
SELECT folder, uri GLOB 'file:///*/examples/' || folder || '/' FROM s3_folders('file:examples');
-- => apple | 1
-- => banana | 1
-- => lemon | 1
SELECT f.folder, count(*) FROM s3_folders('file:examples') f JOIN s3_objects('file:examples') o ON o.folder = f.folder
GROUP BY f.folder;
-- => apple | 12
-- => banana | 12
-- => lemon | 12
SELECT folder FROM s3_folders('file:examples/*');
-- error: s3_folders: file:examples/* is a glob: pass the bucket or a prefix, or SELECT DISTINCT folder FROM s3_objects(...)

-- s3_buckets: name, region and created of the buckets that our credentials may list. Here are none.
SELECT name, region, created FROM s3_buckets;
-- error: s3_buckets: no credentials found (...); for a public bucket s3_config('no_sign_request', 1)

-- s3_errors: time, function, uri, code and message of the last hundred failures of this connection.
SELECT function, uri, code FROM s3_errors WHERE function = 's3_folders';
-- => s3_folders | NULL | Input

-- s3_stats: what this process did so far.
SELECT name FROM s3_stats;
-- => requests
-- => lists
-- => gets
-- => heads
-- => bytes
-- => retries
-- => failures
-- => objects_fetched
-- => objects_asked
-- => objects_wasted
-- => vectors_made
-- => vectors_made_ahead
-- => wait_us
-- => images
-- => decode_us
-- => inference_us

-- embed_models: the models that embed() knows. The one called default is embedded in the module until it is replaced.
SELECT name, path, format, length(sha256), dims, input_height, input_width, json_valid(recipe), is_default
FROM embed_models;
-- => default | NULL | onnx | 64 | 256 | 128 | 128 | 1 | 1


-- FUNCTIONS ON A STORE
-- These, and the tables above that reach a store, cannot be called from a view, a trigger or a generated column: a database
-- that you were given cannot make you send anything. A view of your own is a CREATE TEMP VIEW.

-- s3_get(key): the object of the row at hand.
SELECT key, length(s3_get(key)) = size FROM s3_objects('file:examples') LIMIT 2;
-- => apple/apple_01.jpg | 1
-- => apple/apple_02.jpg | 1

-- s3_get(uri) and s3_get(bucket, key): any object; NULL if there is none.
SELECT length(s3_get(uri)) = size FROM s3_objects('file:examples/lemon/*') LIMIT 1;
-- => 1
SELECT s3_get('file:examples/apple/absent.jpg');
-- => NULL

-- Without a row, a bucket or a uri there is no telling where to look.
SELECT s3_get('apple_01.jpg');
-- error: s3_get: of which bucket is 'apple_01.jpg'? Pass the uri, as in s3_get('s3://bucket/key'), or bucket and key, or set s3_config('bucket', 'name')

-- s3_get_range(uri, offset, length): some bytes.
SELECT hex(s3_get_range('file:examples/apple/apple_01.jpg', 0, 2));
-- => FFD8

-- s3_head(uri): what is known of an object, without its body; NULL if there is none.
SELECT json_type(s3_head('file:examples/apple/apple_01.jpg'), '$.size');
-- => integer
SELECT s3_head('file:examples/apple/absent.jpg');
-- => NULL


-- IMAGES AND VECTORS

-- embed(image [, model]): a vector, a BLOB of little-endian float32, as sqlite-vec stores it. NULL gives NULL.
SELECT key, typeof(embed(s3_get(key))), length(embed(s3_get(key))) / 4 FROM s3_objects('file:examples') LIMIT 2;
-- => apple/apple_01.jpg | blob | 256
-- => apple/apple_02.jpg | blob | 256
SELECT embed(NULL);
-- => NULL
SELECT embed(x'3c3f786d6c2076657273696f');
-- error: embed: not an image we read: 12 bytes beginning 3c3f786d; skip others with a glob such as s3://b/**/*.jpg, or s3_config('on_error','null')
SELECT embed(s3_get('file:examples/apple/apple_01.jpg'), 'absent');
-- error: embed: no model named 'absent': embed_load(name, path) loads one; there are default

-- image_info(image): format, size, channels and the orientation that EXIF tells, which is not applied.
SELECT image_info(s3_get('file:examples/apple/apple_01.jpg'));
-- => {"format":"jpeg","width":200,"height":200,"channels":3,"orientation":1}

-- embed_json(v), embed_csv(v): the fewest digits that read back as the same float32.
SELECT embed_json(x'0000803f0000003fcdcccc3d'), embed_csv(x'0000803f0000003fcdcccc3d');
-- => [1,0.5,0.1] | 1,0.5,0.1
SELECT embed_json(x'000000');
-- error: embed_json: 3 bytes are no vector of float32, 4 bytes each

-- embed_distance(a, b [, metric]): smaller is nearer. 'cosine', 1 - cos, is the default; 'l2' is not squared; 'dot' is
-- -(a.b). Here a = (1, 0), b = (3, 4).
SELECT embed_distance(a, b), embed_distance(a, b, 'cosine'), embed_distance(a, b, 'l2'), embed_distance(a, b, 'dot')
FROM (SELECT x'0000803f00000000' AS a, x'0000404000008040' AS b);
-- => 0.4 | 0.4 | 4.47213595499958 | -3.0

-- A vector of zeros has no direction: its cosine distance is 1, so that it is never the nearest.
SELECT embed_distance(x'00000000', x'0000803f'), embed_distance(NULL, x'0000803f');
-- => 1.0 | NULL
SELECT embed_distance(x'00000000', x'0000803f00000000');
-- error: embed_distance: the vectors have 1 and 2 elements: are they of one model?
SELECT embed_distance(x'0000c07f', x'0000803f');
-- error: embed_distance: element 0 of the vector is NaN

-- Neighbours: an apple's nearest is an apple.
SELECT folder FROM s3_objects('file:examples/*/*.jpg') WHERE name <> 'apple_01.jpg'
ORDER BY embed_distance(embed(s3_get(key)), (SELECT embed(s3_get('file:examples/apple/apple_01.jpg')))) LIMIT 1;
-- => apple

-- embed_load(name, path [, options]): a model of one's own, an ONNX file. options: recipe, what the model wants done to an
-- image (a name, or the keys of a preprocessor_config.json; else read from such a file beside the model), output, the
-- tensor that is the vector, and normalize. The answer is JSON. A failed load leaves nothing behind.
SELECT embed_load('mobilenet', 'absent.onnx', '{"recipe": "imagenet"}');
-- error: embed_load: absent.onnx: no such file
SELECT embed_load('mobilenet', 's3://models/mobilenet.onnx');
-- error: embed_load: s3://models/mobilenet.onnx: a model is loaded from a path of this machine; in the sqlite3 shell, writefile('model.onnx', s3_get(uri)) saves one
SELECT embed_load('mobilenet', 'absent.onnx', '{"recipes": "imagenet"}');
-- error: embed_load: there is no option 'recipes'; there is: recipe, output, normalize

-- embed_unload(name): 1, or 0 if there was none.
SELECT embed_unload('mobilenet');
-- => 0


-- SETTINGS

-- s3_config(name [, value]): per connection. What is set here comes before the environment, that before the profile.
-- region profile endpoint_url addressing_style no_sign_request request_payer expected_bucket_owner ca_bundle max_attempts
-- connect_timeout read_timeout max_connections prefetch prefetch_bytes on_error bucket aws_access_key_id
-- aws_secret_access_key aws_session_token
SELECT s3_config('region'), s3_config('max_connections'), s3_config('on_error');
-- => NULL | 64 | raise
SELECT s3_config('region', 'eu-west-3'), s3_config('region');
-- => eu-west-3 | eu-west-3

-- Secrets do not read back.
SELECT s3_config('aws_secret_access_key', 'wJalrXUtnFEMI'), s3_config('aws_secret_access_key');
-- => <redacted> | <redacted>

-- An unknown name raises and shows the near ones; so does a value that is not allowed.
SELECT s3_config('max_connection', 8);
-- error: s3_config: there is no setting 'max_connection'; there is max_connections
SELECT s3_config('on_error', 'ignore');
-- error: s3_config: on_error takes one of raise|null

-- on_error = null: what is wrong with one object gives NULL, and the reason stands in s3_errors.
SELECT s3_config('on_error', 'null');
-- => null
SELECT embed(x'3c3f786d6c2076657273696f');
-- => NULL
SELECT s3_config('on_error', 'raise');
-- => raise

-- bucket: where s3_get(key) looks without a row.
SELECT s3_config('bucket', 'sparkyfruit');
-- => sparkyfruit
SELECT s3_config('bucket', NULL);
-- => NULL


-- VERSIONS

SELECT s3embed_version() GLOB '[0-9]*.[0-9]*.[0-9]*';
-- => 1

-- s3embed_debug(): versions of every library, CPU features, threads and the trusted CAs, for the report of a fault.
SELECT key FROM json_each(s3embed_debug());
-- => s3embed
-- => compiler
-- => sqlite
-- => sqlite_headers
-- => http
-- => xnnpack
-- => protobuf_c
-- => jpeg
-- => expat
-- => jansson
-- => cpu
-- => cpus
-- => threads


-- SAFETY

CREATE VIEW hostile AS SELECT s3_get('file:examples/apple/apple_01.jpg');
SELECT * FROM hostile;
-- error: unsafe use of s3_get()
CREATE TEMP VIEW apples AS SELECT key FROM s3_objects('file:examples/apple');
SELECT count(*) FROM apples;
-- => 12
