-- Tenants: what they take for proof of who a device is.

-- name: tenant_authentication
SELECT target_tokens, gateway_token_hash, gateway_token_at FROM tenant WHERE row_id = :tenant;

-- name: tenant_set_target_tokens
UPDATE tenant SET target_tokens = :are_taken WHERE row_id = :tenant;

-- name: tenant_set_gateway_token
UPDATE tenant SET gateway_token_hash = :hash, gateway_token_at = :at WHERE row_id = :tenant;
