CREATE SCHEMA shop;
CREATE TABLE shop.customers (id bigint PRIMARY KEY, name text NOT NULL, email text);
CREATE TABLE shop.orders (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL,
    amount numeric(12, 2) NOT NULL,
    note jsonb,
    placed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO shop.customers SELECT n, 'customer ' || n, 'c' || n || '@example.org' FROM generate_series(1, 200) n;
INSERT INTO shop.orders SELECT n, 1 + n % 200, n / 7.0, jsonb_build_object('line', n) FROM generate_series(1, 1000) n;
