// A certificate of 127.0.0.1 that nobody vouches for, and its key, for servers of tests; both are worth nothing anywhere else.
const pem = (label: string, lines: readonly string[]) =>
  `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;

export const selfSigned = {
  key: pem("PRIVATE KEY", [
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdoAmeBayUK0j6ARE",
    "0D7zXDWsjXMu+ZP4GOsPU1H4hrKhRANCAAQLuFwSaYLP0XALUpJb7oBuayik1hl4",
    "2l9yNUu5+UPZLXxItriXrj85jrYlgl3NkhXuwEzr4GmqLp8W7zAZHqhd",
  ]),
  cert: pem("CERTIFICATE", [
    "MIIBlTCCATygAwIBAgIULWN128/r8ztwi8uov8x9hbeBQSwwCgYIKoZIzj0EAwIw",
    "FzEVMBMGA1UEAwwMcmlwb3N0ZSB0ZXN0MCAXDTI2MTEyMTE1NDkxN1oYDzIxMjYx",
    "MDI4MTU0OTE3WjAXMRUwEwYDVQQDDAxyaXBvc3RlIHRlc3QwWTATBgcqhkjOPQIB",
    "BggqhkjOPQMBBwNCAAQLuFwSaYLP0XALUpJb7oBuayik1hl42l9yNUu5+UPZLXxI",
    "triXrj85jrYlgl3NkhXuwEzr4GmqLp8W7zAZHqhdo2QwYjAdBgNVHQ4EFgQUuidx",
    "P5zsuqojjHJ0EY0UvxOMqwkwHwYDVR0jBBgwFoAUuidxP5zsuqojjHJ0EY0UvxOM",
    "qwkwDwYDVR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMC",
    "A0cAMEQCICvFE5gDZhihbhnTZ8YA6S++pE72RSViJdQBjBI7LWYZAiAHO7+cIanR",
    "z0rSR9+qAAdHIsH5vq6cCWCNBfGwA55hyg==",
  ]),
};
