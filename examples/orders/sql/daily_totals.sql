-- What was sold on each day in each country, in euros.
--
-- `orders` and `customers` are the tables that the nodes of those names loaded; `rates` is named by
-- the node itself. Money is DECIMAL all the way: no step rounds but the last.
SELECT
    CAST(o.ordered_at AS DATE) AS day,
    c.country,
    count(*) AS orders,
    count(DISTINCT o.customer_id) AS customers,
    CAST(sum(o.amount * r.eur_per_unit) AS DECIMAL(18, 2)) AS revenue_eur
FROM orders AS o
JOIN customers AS c ON c.customer_id = o.customer_id
JOIN rates AS r ON r.currency = o.currency
WHERE o.status IN ('paid', 'shipped', 'delivered')
GROUP BY 1, 2
ORDER BY day, country
